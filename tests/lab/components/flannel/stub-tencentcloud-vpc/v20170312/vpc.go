// Copyright: (c) 2026, kubestead contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package v20170312 stands for Tencent Cloud's VPC SDK, which flannel's backend for that cloud names.
// It compiles and does nothing: no lab uses that backend, and the SDK is not served by every module proxy.
package v20170312

type Client struct{}

func NewClientWithSecretId(string, string, string) (*Client, error) { return &Client{}, nil }

func (*Client) DescribeRouteTables(*DescribeRouteTablesRequest) (*DescribeRouteTablesResponse, error) {
	return &DescribeRouteTablesResponse{Response: &RouteTables{}}, nil
}
func (*Client) CreateRoutes(*CreateRoutesRequest) (*struct{}, error) { return nil, nil }
func (*Client) DeleteRoutes(*DeleteRoutesRequest) (*struct{}, error) { return nil, nil }

type Filter struct {
	Name   *string
	Values []*string
}
type Route struct {
	RouteId              *uint64
	DestinationCidrBlock *string
	GatewayType          *string
	GatewayId            *string
	RouteType            *string
	Enabled              *bool
}
type RouteTable struct {
	RouteTableId *string
	RouteSet     []*Route
}
type RouteTables struct{ RouteTableSet []*RouteTable }
type DescribeRouteTablesRequest struct{ Filters []*Filter }
type DescribeRouteTablesResponse struct{ Response *RouteTables }
type CreateRoutesRequest struct {
	RouteTableId *string
	Routes       []*Route
}
type DeleteRoutesRequest struct {
	RouteTableId *string
	Routes       []*Route
}

func NewDescribeRouteTablesRequest() *DescribeRouteTablesRequest {
	return &DescribeRouteTablesRequest{}
}
func NewCreateRoutesRequest() *CreateRoutesRequest { return &CreateRoutesRequest{} }
func NewDeleteRoutesRequest() *DeleteRoutesRequest { return &DeleteRoutesRequest{} }
